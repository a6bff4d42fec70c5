//go:build unix

package server

import (
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are drawn from below the ranges from which systems take the local
// ports of outgoing connections (Linux from 32768, others from 49152). In such
// a range a client that redials a dead server's port can be given that very
// port and connect to itself, and the server could not come back.
const (
	portMin = 16_000
	portMax = 32_000
)

// portTries bounds the attempts to start a server when others take its port.
const portTries = 5

// freePort returns a port of 127.0.0.1 that nobody listens on. Another process
// may take it before the caller does.
func freePort() (int, error) {
	const draws = 100 // all taken only if the range is nearly full
	var last error
	for range draws {
		port := portMin + rand.IntN(portMax-portMin)
		l, err := net.Listen("tcp4", address(port))
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return 0, last
}

func address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
