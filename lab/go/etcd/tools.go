//go:build tools

// Package etcd pins the store under the lab's Kubernetes control plane.
// Nothing here is compiled: the import makes go.mod and go.sum hold its sources.
package etcd

import _ "go.etcd.io/etcd/server/v3"
