// Shows any bytes as its certificates to the TLS client that dials next and says how the handshake ended: JSON lines in, JSON
// lines out, in the same order, after a first one with the port. Node's server loads only what OpenSSL can read.
package main

import (
	"bufio"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"
)

type question struct {
	Version uint16
	Chain   [][]byte
	Key     []byte
}

// The error of the handshake, or of the first read, where the alerts of TLS 1.3 arrive; empty where the client said hello.
func receive(raw net.Conn, q question, key any) string {
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	shown := tls.Certificate{Certificate: q.Chain, PrivateKey: key.(crypto.Signer)}
	conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{shown}, MinVersion: q.Version, MaxVersion: q.Version})
	if err := conn.Handshake(); err != nil {
		return err.Error()
	}
	n, err := conn.Read(make([]byte, 16))
	if n > 0 {
		return ""
	}
	return fmt.Sprint(err)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	say := func(answer map[string]any) {
		out, _ := json.Marshal(answer)
		os.Stdout.Write(append(out, '\n'))
	}
	say(map[string]any{"port": listener.Addr().(*net.TCPAddr).Port})
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var q question
		if err := json.Unmarshal(line, &q); err != nil {
			panic(err)
		}
		key, err := x509.ParsePKCS8PrivateKey(q.Key)
		if err != nil {
			panic(err)
		}
		raw, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		say(map[string]any{"error": receive(raw, q, key)})
	}
}
