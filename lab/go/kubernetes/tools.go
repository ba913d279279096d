//go:build tools

// Package kubernetes pins the programs of the lab's Kubernetes control plane.
// Nothing here is compiled: the imports make go.mod and go.sum hold their sources.
package kubernetes

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
