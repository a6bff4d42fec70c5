package proxy

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
)

var errAddress = errors.New("the target is neither host:port nor the absolute path of a Unix socket")

// An address is where a server listens.
type address struct{ network, name string }

func parseAddress(s string) (address, error) {
	if filepath.IsAbs(s) {
		return address{"unix", s}, nil
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return address{}, errAddress // err would show the target
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return address{}, errAddress
	}
	return address{"tcp", s}, nil
}

func (a address) dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, a.network, a.name)
}
