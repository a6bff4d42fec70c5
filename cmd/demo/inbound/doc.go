// Package inbound puts the lead service behind the three doors through which
// customers reach an organization: phone calls that a voice agent of
// ElevenLabs takes, text messages from Twilio's webhook, and text messages
// over a WebSocket. [New] makes an [http.Handler] of them that a server of
// one's own can serve:
//
//	POST /webhooks/elevenlabs/conversation-initiation  JSON in, JSON out
//	POST /webhooks/twilio/sms                          form in, TwiML out
//	GET  /ws/sms                                       [Text] in, [Answer] out
//
// Each finds the organization that was called, finds or makes the lead that
// calls, and answers. Texts are stored, each once: the carrier's own name for
// a text tells whether it was there before. Another text of that name is
// refused, and logged. With a text of Twilio's are kept, in its metadata, where
// its first ten pictures are: {"media":[{"url":"…","type":"…"}]}.
//
// Numbers may be SIP URIs, of which the user alone counts: one called anonymous
// is a caller without a number, whatever the digits of its host. What people
// wrote of themselves reaches prompts and texts in one line, without characters
// that cannot be seen, and names in at most 200 characters.
//
// A lead or an organization that was deleted while it was remembered costs no
// text: it is forgotten, and what is there now is looked up.
//
// # What a client is told
//
// Errors are answered as {"error": "…"}, but 404, 405 and what is wrong with
// the handshake of a WebSocket as plain text:
//
//	400  malformed, or a field is missing or wrong; the text names it
//	401  signature or token is missing, wrong or expired
//	403  the text's signature is missing or wrong
//	405  not the method above
//	408  the body did not arrive within ReadTimeout
//	409  the name of a text was used for another text
//	413  the body is larger than 64 KiB
//	415  not the content type above
//	500  there is no organization to answer for
//	503  the database is out or too slow, or the server stops; try again after
//	     what Retry-After says
//
// A call never fails because its caller has no number: it gets the data of the
// organization and a general greeting. Nor does it fail because context or
// greeting cannot be had within ContextTimeout. A call that the agent makes
// begins with a sentence for that.
//
// Answers that looked something up say where it came from: Cache-Source is the
// slowest of local, redis and loader that was asked, and Server-Timing has the
// milliseconds of all look-ups as lookup;dur=….
//
// A WebSocket carries any number of conversations. Those of different pairs of
// numbers are answered at the same time, as many as MaxInFlight; the texts of
// one pair are stored and answered in their order. A text with a wrong field
// is answered with an error, and so is one that had to wait for others until
// its RequestTimeout was over. What is no text at all ends the connection, with
// status 1003 (not a text frame), 1007 (not UTF-8, or not JSON of this form),
// 1008 (without an id, so that no answer could name it) or 1009 (more than 32
// KiB). So do IdleTimeout without a text, whatever pings there are, and
// [Handler.Drain], with 1001. A client that does not take its answer within
// WriteTimeout, or does not agree to the end within CloseTimeout, is cut off.
//
// Texts that were begun before the end are stored, and answered if the client
// is still there, unless the context of Drain ends. One that arrived and was
// not begun may be neither stored nor answered: its sender, whom no answer
// tells of it, sends it again.
//
// # Who may knock
//
// Each check is made if its secret is set in [Options], in constant time.
// Twilio signs URL and form, without a time; a request that is sent again is
// stored once and answered like the first. Only its auth token with HMAC-SHA1
// is understood, not the keys of its webhook rules. ElevenLabs signs body and
// time, as its SDKs check it: the time may be 30 minutes old, as theirs, and
// one minute ahead. Within that a repeated request is answered again, on
// purpose: a retry carries the same body, and to refuse it is to fail a phone
// call. It finds the lead that the first one made and stores nothing, so what
// a replay gains is to read the answer once more.
//
// The webhook that starts a conversation is documented by ElevenLabs with
// secret headers rather than a signature; ElevenLabsToken is for those.
//
// Logs hold no phone number, no text and no secret. Each kind of warning is
// logged once in ten seconds at most.
package inbound
