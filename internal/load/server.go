//go:build unix

package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"time"

	"leadcache/cmd/demo/inbound"
	"leadcache/internal/footprint"
	"leadcache/internal/pause"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

// serverVariable in the environment makes this program a server.
const serverVariable = "LEADCACHE_LOAD_SERVER"

// ServeTexts ends the process as a server if it was started as one. It comes
// first in a program, or a TestMain, that calls [Run].
func ServeTexts() {
	if os.Getenv(serverVariable) == "" {
		return
	}
	if err := serve(context.Background(), os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "load: server:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

const (
	connectTime = 10 * time.Second // to be connected to Redis before serving
	pollEvery   = 5 * time.Millisecond
	drainTime   = 5 * time.Second
)

// A host is the server process.
type host struct {
	redis   *tiered.Redis
	db      *pg.DB
	service *leadsvc.Service
	inbound *inbound.Handler
	profile bytes.Buffer
}

// serve obeys the orders that it reads, until there are no more.
func serve(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	in, out := json.NewDecoder(bufio.NewReader(stdin)), json.NewEncoder(stdout)
	var c serverConfig
	if err := in.Decode(&c); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := allowFiles(c.Conversations); err != nil {
		return errors.Join(err, out.Encode(reply{Error: err.Error()}))
	}
	h := new(host)
	defer h.close()
	if err := h.open(ctx, c, stderr); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h.inbound, ReadHeaderTimeout: connectTime}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	err = out.Encode(reply{Addr: listener.Addr().String()})
	for err == nil {
		var o order
		if err = in.Decode(&o); err == nil {
			err = out.Encode(h.obey(ctx, o))
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	limited, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	err = errors.Join(err, server.Close(), h.inbound.Drain(limited))
	if stopped := <-ended; !errors.Is(stopped, http.ErrServerClosed) {
		err = errors.Join(err, stopped)
	}
	return err
}

// open connects to everything.
func (h *host) open(ctx context.Context, c serverConfig, stderr io.Writer) (err error) {
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	//nolint:contextcheck // the link lasts until it is closed
	if h.redis, err = tiered.Dial(tiered.RedisOptions{URL: c.RedisURL, Disabled: !c.Cached, Logger: logger}); err != nil {
		return err
	}
	if h.db, err = pg.Open(ctx, pg.Options{URL: c.DatabaseURL, Logger: logger}); err != nil {
		return err
	}
	// The local tier splits its room between shards.
	h.service, err = leadsvc.New(h.redis, h.db, leadsvc.Config{LocalEntries: 2 * c.Conversations, Logger: logger})
	if err != nil {
		return err
	}
	if h.inbound, err = inbound.New(inbound.Options{Service: h.service, Logger: logger}); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	for c.Cached && !h.redis.Status().Connected {
		if !pause.For(limited, pollEvery) {
			return fmt.Errorf("no connection to Redis after %v", connectTime)
		}
	}
	return nil
}

// close may be called where open has failed.
func (h *host) close() {
	if h.service != nil {
		h.service.Close()
	}
	if h.db != nil {
		h.db.Close()
	}
	if h.redis != nil {
		h.redis.Close()
	}
}

func (h *host) obey(ctx context.Context, o order) (r reply) {
	var err error
	switch o {
	case takeFootprint:
		r.Footprint, err = footprint.Take(ctx)
	case begin:
		if err = pprof.StartCPUProfile(&h.profile); err == nil {
			r.Usage, err = h.usage()
		}
	case end:
		r.Usage, err = h.usage() // before the profile is written, which is work
		pprof.StopCPUProfile()
		r.Profile = h.profile.Bytes()
	case heapProfile:
		h.profile.Reset()
		err = pprof.WriteHeapProfile(&h.profile)
		r.Profile = h.profile.Bytes()
	default:
		err = fmt.Errorf("no order: %q", o)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

func (h *host) usage() (u usage, err error) {
	for _, s := range h.service.Stats() {
		u.Gets += s.Gets
		u.Local += s.LocalHits
		u.Redis += s.RedisHits
		u.Loads += s.Loads
	}
	u.Queries = h.db.Queries()
	u.CPU, err = footprint.CPU()
	return u, err
}
