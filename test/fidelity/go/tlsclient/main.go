// Shows any bytes as its certificates to a TLS server and says what became of it: JSON lines in, JSON lines out, in the same
// order. Node's client loads only what OpenSSL can read, and only a key that fits.
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

type question struct {
	Port    int
	Version uint16
	Chain   [][]byte
	Key     []byte
}

func usable(key any) bool {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return k.Curve != elliptic.P224()
	case *rsa.PrivateKey:
		return k.N.BitLen() >= 1024
	}
	return true
}

// The error of the handshake, or of the first read, where the alerts of TLS 1.3 arrive; empty where the server said hello.
func visit(q question, key any) string {
	raw, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", q.Port), 10*time.Second)
	if err != nil {
		return err.Error()
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	shown := tls.Certificate{Certificate: q.Chain, PrivateKey: key.(crypto.Signer)}
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: q.Version, MaxVersion: q.Version,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }})
	if err := conn.Handshake(); err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(conn)
	if len(text) > 0 {
		return ""
	}
	return fmt.Sprint(err)
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var q question
		answer := map[string]any{}
		if err := json.Unmarshal(line, &q); err != nil {
			answer["error"] = err.Error()
		} else if key, err := x509.ParsePKCS8PrivateKey(q.Key); err != nil || !usable(key) {
			answer["skipped"] = true
		} else {
			answer["error"] = visit(q, key)
		}
		out, _ := json.Marshal(answer)
		os.Stdout.Write(append(out, '\n'))
	}
}
