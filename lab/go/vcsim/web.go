package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/vmware/govmomi/ovf"
)

const filesPath = "/lab/files"

// web is all that the lab's vCenter can reach by URL: what tests have put there, and nothing of the real one.
type web struct {
	mu    sync.Mutex
	files map[string][]byte
}

func newWeb() *web { return &web{files: make(map[string][]byte)} }

// serve is the lab's door for it: the body of a POST is from then on found at the URL that the query names.
func (b *web) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	b.files[r.URL.Query().Get("url")] = content
	b.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (b *web) fetch(url string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if content, ok := b.files[url]; ok {
		return content, nil
	}
	return nil, fmt.Errorf("Error transferring file from %s: no route to host", url)
}

var hashes = map[string]func() hash.Hash{"SHA256": sha256.New, "SHA512": sha512.New}

func (c *checksum) verify(name string, content []byte) error {
	sum := hashes[c.Algorithm]()
	sum.Write(content)
	if found := fmt.Sprintf("%x", sum.Sum(nil)); found != strings.ToLower(c.Checksum) {
		return fmt.Errorf("The checksum of file %s is %s, and not %s", name, found, c.Checksum)
	}
	return nil
}

// unpack reads the descriptor of an appliance, which stands first in the archive.
func unpack(archive []byte) (*ovf.Envelope, error) {
	files := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the archive has no OVF descriptor")
		}
		if err != nil {
			return nil, fmt.Errorf("no OVA: %w", err)
		}
		if path.Ext(header.Name) == ".ovf" {
			return ovf.Unmarshal(files)
		}
	}
}
