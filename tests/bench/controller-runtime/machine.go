package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var version = schema.GroupVersion{Group: "hybridge.io", Version: "v1alpha1"}

// VirtualMachine is as much of the kind as the job reads: less to decode and to copy than any real controller has.
type VirtualMachine struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Status            Status `json:"status"`
}

// Status is where the job leaves its mark.
type Status struct {
	ID string `json:"id"`
}

// VirtualMachineList is what the cache lists.
type VirtualMachineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []VirtualMachine `json:"items"`
}

// DeepCopyObject makes a copy that shares nothing.
func (m *VirtualMachine) DeepCopyObject() runtime.Object {
	return m.copied()
}

// DeepCopyObject makes a copy that shares nothing.
func (l *VirtualMachineList) DeepCopyObject() runtime.Object {
	fresh := &VirtualMachineList{TypeMeta: l.TypeMeta, ListMeta: *l.ListMeta.DeepCopy()}
	for index := range l.Items {
		fresh.Items = append(fresh.Items, *l.Items[index].copied())
	}
	return fresh
}

func (m *VirtualMachine) copied() *VirtualMachine {
	return &VirtualMachine{TypeMeta: m.TypeMeta, ObjectMeta: *m.ObjectMeta.DeepCopy(), Status: m.Status}
}

func scheme() *runtime.Scheme {
	known := runtime.NewScheme()
	known.AddKnownTypes(version, &VirtualMachine{}, &VirtualMachineList{})
	metav1.AddToGroupVersion(known, version)
	return known
}
