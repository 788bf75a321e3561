// A WebTransport client on webtransport-go, to see that wt-accept is
// understood by somebody who had no part in it.
//
//	client URL CA ID:TYPE:FILE...
//
// Each line of FILE is a packet of the track. Every track is sent on a
// unidirectional and on a bidirectional stream, its first packets in
// datagrams too, and everything must be echoed.
//
// go.mod asks for v0.10: later versions want servers to reset streams with
// partial delivery, which ngtcp2 1.11 cannot.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/quic-go/webtransport-go"
)

const (
	deadline  = 30 * time.Second
	datagrams = 20   // of each track
	largest   = 1100 // bytes of a packet that goes in a datagram
)

type track struct {
	packets [][]byte
}

func (t track) bytes() []byte {
	return bytes.Join(t.packets, nil)
}

func readTrack(spec string) (track, error) {
	part := strings.SplitN(spec, ":", 3)
	if len(part) != 3 {
		return track{}, fmt.Errorf("%s: not ID:TYPE:FILE", spec)
	}
	text, err := os.ReadFile(part[2])
	if err != nil {
		return track{}, err
	}
	var t track
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		p := make([]byte, 32, 32+len(line))
		copy(p, part[0])
		binary.BigEndian.PutUint32(p[16:], uint32(len(line)))
		copy(p[20:], part[1])
		t.packets = append(t.packets, append(p, line...))
	}
	return t, nil
}

// In pieces of 1 to 4000 bytes.
func write(w io.WriteCloser, data []byte) error {
	for n := 1; len(data) > 0; n = n%4000 + 13 {
		n = min(n, len(data))
		if _, err := w.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return w.Close()
}

func bidirectional(ctx context.Context, s *webtransport.Session, t track) error {
	stream, err := s.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- write(stream, t.bytes()) }()
	got, err := io.ReadAll(stream)
	if err := errors.Join(err, <-failed); err != nil {
		return err
	}
	if !bytes.Equal(got, t.bytes()) {
		return errors.New("the echo is not what was sent")
	}
	return nil
}

func unidirectional(ctx context.Context, s *webtransport.Session, tracks []track) error {
	failed := make(chan error, len(tracks))
	for _, t := range tracks {
		stream, err := s.OpenUniStreamSync(ctx)
		if err != nil {
			return err
		}
		go func() { failed <- write(stream, t.bytes()) }()
	}
	missing := map[string]bool{}
	for _, t := range tracks {
		missing[string(t.bytes())] = true
	}
	for range tracks {
		stream, err := s.AcceptUniStream(ctx)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(stream)
		if err := errors.Join(err, <-failed); err != nil {
			return err
		}
		if !missing[string(got)] {
			return errors.New("the echo is not what was sent")
		}
		delete(missing, string(got))
	}
	return nil
}

func inDatagrams(ctx context.Context, s *webtransport.Session, t track) error {
	for _, p := range t.packets[:datagrams] {
		if len(p) > largest {
			return errors.New("a packet is too large for a datagram")
		}
		if err := s.SendDatagram(p); err != nil {
			return err
		}
		// One at a time: they are in order then, and none is lost.
		got, err := s.ReceiveDatagram(ctx)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, p) {
			return errors.New("the echo is not what was sent")
		}
	}
	return nil
}

func run(url, ca string, specs []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s: no certificate", ca)
	}
	var tracks []track
	for _, spec := range specs {
		t, err := readTrack(spec)
		if err != nil {
			return err
		}
		tracks = append(tracks, t)
	}
	d := webtransport.Dialer{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer d.Close()
	rsp, s, err := d.Dial(ctx, url, nil)
	if err != nil {
		if rsp != nil {
			err = fmt.Errorf("status %d", rsp.StatusCode)
		}
		return err
	}
	if err := unidirectional(ctx, s, tracks); err != nil {
		return fmt.Errorf("unidirectional streams: %w", err)
	}
	for _, t := range tracks {
		if err := bidirectional(ctx, s, t); err != nil {
			return fmt.Errorf("bidirectional stream: %w", err)
		}
		if err := inDatagrams(ctx, s, t); err != nil {
			return fmt.Errorf("datagrams: %w", err)
		}
	}
	return s.CloseWithError(7, "done")
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: client URL CA ID:TYPE:FILE...")
		os.Exit(64)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}
