package main

import (
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// protector is who has disabled a method, as its fault tells.
const protector = "com.example.backup"

// protected are machines whose deletion somebody has disabled, as backup products do while they read a machine.
type protected struct {
	mu sync.Mutex
	by map[string]bool
}

func newProtected() *protected {
	return &protected{by: make(map[string]bool)}
}

func (p *protected) set(id string, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.by[id] = on
}

func (p *protected) has(ref types.ManagedObjectReference) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.by[ref.Value]
}
