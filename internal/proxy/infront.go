package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"
)

// What may be wrong with a URL. None of it is shown: it may hold a password.
var (
	errURL    = errors.New("the URL does not parse")
	errScheme = errors.New("the URL is of none of the schemes redis, rediss, unix, postgres and postgresql")
	errHosts  = errors.New("the URL names more than one server")
)

// InFront starts a proxy in front of the server that a URL names, and returns
// it with a URL that leads through it and is otherwise the same: name, password,
// database and parameters are kept. The caller closes the proxy.
//
// The schemes are those of Redis (redis, rediss, and unix, which becomes redis)
// and of Postgres (postgres, postgresql). A Postgres that listens on a Unix
// socket is named by the parameter host, as usual. A URL with several servers
// is an error.
//
// No error contains any part of the URL. The proxy does not end TLS: a client
// that verifies the server's name finds it under 127.0.0.1.
func InFront(rawURL string) (p *Proxy, newURL string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, "", fmt.Errorf("proxy: %w", errURL) // err would show the URL
	}
	name, err := detach(u)
	if err != nil {
		return nil, "", fmt.Errorf("proxy: %w", err)
	}
	if p, err = Listen(name); err != nil {
		return nil, "", err
	}
	u.Host = p.Addr()
	return p, u.String(), nil
}

// detach removes from a URL all that names its server, and returns it.
func detach(u *url.URL) (target string, err error) {
	switch u.Scheme {
	case "redis", "rediss":
		if u.Query().Has("addr") {
			return "", errHosts
		}
		return net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), "6379")), nil
	case "unix":
		target = strings.TrimSpace(u.Path)
		u.Scheme, u.Path = "redis", ""
		return target, nil
	case "postgres", "postgresql":
		return detachPostgres(u)
	}
	return "", errScheme
}

// detachPostgres knows that the parameters host and port stand above the host
// and the port of the URL.
func detachPostgres(u *url.URL) (target string, err error) {
	query := u.Query()
	host := cmp.Or(query.Get("host"), u.Hostname(), "localhost")
	port := cmp.Or(query.Get("port"), u.Port(), "5432")
	if strings.Contains(host+port, ",") {
		return "", errHosts
	}
	if query.Has("host") || query.Has("port") {
		query.Del("host")
		query.Del("port")
		u.RawQuery = query.Encode()
	}
	if path.IsAbs(host) {
		return path.Join(host, ".s.PGSQL."+port), nil
	}
	return net.JoinHostPort(host, port), nil
}
