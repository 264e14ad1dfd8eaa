// Answers questions about certificates, revocation lists and PEM with Go's own standard library: JSON lines in, JSON lines
// out, in the same order. test/fuzz/x509.ts puts the same questions to lib/x509 and compares.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

type question struct {
	Chain, Roots [][]byte
	Time         string
	Hosts        []string
	Crl, Pem     []byte
}

type object = map[string]any

var reasons = []string{"NotAuthorizedToSign", "Expired", "CANotAuthorizedForThisName", "TooManyIntermediates", "IncompatibleUsage",
	"NameMismatch", "NameConstraintsWithoutSANs", "UnconstrainedName", "TooManyConstraints", "CANotAuthorizedForExtKeyUsage", "NoValidChains"}

func ask(certs []*x509.Certificate, roots *x509.CertPool, now time.Time, usage x509.ExtKeyUsage, host string) object {
	intermediates := x509.NewCertPool()
	for _, c := range certs[1:] {
		intermediates.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now, DNSName: host,
		KeyUsages: []x509.ExtKeyUsage{usage}})
	if err == nil {
		return object{"ok": true}
	}
	v := object{"stage": "verify", "type": fmt.Sprintf("%T", err), "error": err.Error()}
	switch e := err.(type) {
	case x509.CertificateInvalidError:
		v["reason"] = reasons[e.Reason]
	case x509.HostnameError:
		v["stage"] = "hostname"
	}
	return v
}

func texts[T any](list []T, text func(T) string) []string {
	out := []string{}
	for _, e := range list {
		out = append(out, text(e))
	}
	return out
}

func leaf(c *x509.Certificate) any {
	known := texts(c.ExtKeyUsage, func(u x509.ExtKeyUsage) string { return u.OID().String() })
	usages := append(known, texts(c.UnknownExtKeyUsage, asn1.ObjectIdentifier.String)...)
	slices.Sort(usages)
	names := [][]any{}
	for _, n := range c.Subject.Names {
		names = append(names, []any{n.Type.String(), n.Value})
	}
	return object{"cn": c.Subject.CommonName, "o": texts(c.Subject.Organization, strings.Clone), "dns": texts(c.DNSNames, strings.Clone),
		"ip": texts(c.IPAddresses, net.IP.String), "email": texts(c.EmailAddresses, strings.Clone),
		"uri": texts(c.URIs, (*url.URL).String), "serial": c.SerialNumber.String(), "subject": c.Subject.String(), "issuer": c.Issuer.String(), "names": names,
		"version": c.Version, "isCA": c.BasicConstraintsValid && c.IsCA, "maxPathLen": c.MaxPathLen, "bc": c.BasicConstraintsValid, "keyUsage": int(c.KeyUsage), "usages": usages,
		"ski": fmt.Sprintf("%x", c.SubjectKeyId), "aki": fmt.Sprintf("%x", c.AuthorityKeyId), "from": c.NotBefore.Format(time.RFC3339),
		"to": c.NotAfter.Format(time.RFC3339), "algorithm": c.SignatureAlgorithm.String(), "key": fmt.Sprintf("%T", c.PublicKey),
		"unhandled": len(c.UnhandledCriticalExtensions) > 0, "policies": len(c.Policies), "mappings": len(c.PolicyMappings)}
}

func main() {
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	for {
		var q question
		if in.Decode(&q) != nil {
			return // the end of the questions
		}
		out.Encode(answer(q))
	}
}

func answer(q question) object {
	a := object{}
	if q.Crl != nil {
		a["crl"] = list(q.Crl)
	}
	if q.Pem != nil {
		blocks := [][]any{}
		for block, rest := pem.Decode(q.Pem); block != nil; block, rest = pem.Decode(rest) {
			blocks = append(blocks, []any{fmt.Sprintf("%x", block.Type), fmt.Sprintf("%x", block.Bytes), len(block.Headers) > 0})
		}
		a["pem"] = blocks
	}
	if q.Chain == nil {
		return a
	}
	roots, bad, hosts := x509.NewCertPool(), object{}, object{}
	for i, der := range q.Roots {
		if c, err := x509.ParseCertificate(der); err == nil {
			roots.AddCert(c)
		} else {
			bad[fmt.Sprint(i)] = err.Error()
		}
	}
	a["badRoots"], a["leaf"] = bad, nil
	now, _ := time.Parse(time.RFC3339, q.Time)
	var certs []*x509.Certificate
	var unparsed object
	for i, der := range q.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			unparsed = object{"stage": "parse", "index": i, "type": fmt.Sprintf("%T", err), "error": err.Error()}
			break
		}
		if certs = append(certs, c); i == 0 {
			a["leaf"] = leaf(c)
		}
	}
	verify := func(usage x509.ExtKeyUsage, host string) object {
		if unparsed != nil {
			return unparsed
		}
		return ask(certs, roots, now, usage, host)
	}
	a["clientAuth"], a["serverAuth"], a["any"] = verify(x509.ExtKeyUsageClientAuth, ""), verify(x509.ExtKeyUsageServerAuth, ""), verify(x509.ExtKeyUsageAny, "")
	for _, host := range q.Hosts {
		hosts[host] = verify(x509.ExtKeyUsageServerAuth, host)
	}
	a["hosts"] = hosts
	return a
}

func list(der []byte) any {
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		return object{"error": err.Error()}
	}
	serials := [][]any{}
	for _, e := range l.RevokedCertificateEntries {
		serials = append(serials, []any{e.SerialNumber.String(), e.RevocationTime.Unix(), e.ReasonCode})
	}
	return object{"issuer": l.Issuer.String(), "from": l.ThisUpdate.Unix(), "serials": serials, "number": fmt.Sprint(l.Number), "aki": fmt.Sprintf("%x", l.AuthorityKeyId)}
}
