package inbound

import (
	"encoding/json"
	"net/url"
	"strconv"

	"leadcache/leadsvc"
)

const (
	maxMedia     = 10   // of one text, which is what Twilio takes
	maxMediaURL  = 2048 // bytes
	maxMediaType = 128  // bytes
)

// A medium is a picture or something else that came with a text, and where to
// get it.
type medium struct {
	URL  string `json:"url"`
	Type string `json:"type"`
}

// mediaOf returns the n media of the text of a form, as metadata, which is
// empty if there are none. What has no URL is left out.
func mediaOf(form url.Values, n int) (leadsvc.JSON, error) {
	var metadata struct {
		Media []medium `json:"media"`
	}
	for i := range min(n, maxMedia) {
		at := strconv.Itoa(i)
		m := medium{form.Get("MediaUrl" + at), form.Get("MediaContentType" + at)}
		if m.URL == "" {
			continue
		}
		if len(m.URL) > maxMediaURL || !storable(m.URL) {
			return "", badRequest("field %q is too long or not text", "MediaUrl"+at)
		}
		if len(m.Type) > maxMediaType || !storable(m.Type) {
			return "", badRequest("field %q is too long or not text", "MediaContentType"+at)
		}
		metadata.Media = append(metadata.Media, m)
	}
	if metadata.Media == nil {
		return "", nil
	}
	data, err := json.Marshal(metadata)
	return leadsvc.JSON(data), err
}

// countMedia returns how many media are announced.
func countMedia(form url.Values) (int, error) {
	announced := form.Get("NumMedia")
	if announced == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(announced, 10, 16)
	if err != nil {
		return 0, badRequest("field %q is not a number", "NumMedia")
	}
	return int(n), nil
}
