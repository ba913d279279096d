// The trivial job on controller-runtime: the baseline of Hybridge's engine.
//
// Each VirtualMachine whose status.id is not the wanted one costs some work and one merge patch of its status. When as
// many objects as are wanted have it, one line of JSON tells how long that took, and the program waits until its
// standard input ends.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const mergePatch = "application/merge-patch+json"

// job is the reconciler. Its mutex guards what follows it.
type job struct {
	client client.Client
	value  string
	work   time.Duration
	wanted int
	ended  chan time.Duration

	mutex   sync.Mutex
	started time.Time
	done    map[string]struct{}
}

// Reconcile does the work for one object, unless it is done.
func (j *job) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	j.begin()
	machine := &VirtualMachine{}
	if err := j.client.Get(ctx, request.NamespacedName, machine); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if machine.Status.ID == j.value {
		return reconcile.Result{}, nil
	}
	time.Sleep(j.work)
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": machine.ResourceVersion},
		"status":   map[string]any{"id": j.value},
	})
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := j.client.Status().Patch(ctx, machine, client.RawPatch(mergePatch, patch)); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	j.finished(request.String())
	return reconcile.Result{}, nil
}

func (j *job) begin() {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.started.IsZero() {
		j.started = time.Now()
	}
}

func (j *job) finished(name string) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if _, known := j.done[name]; known {
		return
	}
	j.done[name] = struct{}{}
	if len(j.done) == j.wanted {
		j.ended <- time.Since(j.started)
	}
}

func run() error {
	value := flag.String("value", "", "the status.id that every object shall have")
	wanted := flag.Int("objects", 1000, "how many objects there are")
	workers := flag.Int("workers", 10, "how many are worked on at once")
	work := flag.Duration("work", 10*time.Millisecond, "how long the work on one takes")
	flag.Parse()

	log.SetLogger(zap.New(zap.WriteTo(os.Stderr)))
	config, err := controllerruntime.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = -1 // no limit in the client, as in Hybridge's
	manager, err := controllerruntime.NewManager(config, controllerruntime.Options{
		Scheme:  scheme(),
		Metrics: server.Options{BindAddress: "0"},
	})
	if err != nil {
		return err
	}
	reconciler := &job{
		client: manager.GetClient(),
		value:  *value,
		work:   *work,
		wanted: *wanted,
		ended:  make(chan time.Duration, 1),
		done:   map[string]struct{}{},
	}
	// Changes of the status start nothing, as in Hybridge.
	err = controllerruntime.NewControllerManagedBy(manager).
		Named("trivial").
		For(&VirtualMachine{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: *workers}).
		Complete(reconciler)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		fmt.Printf("{\"seconds\": %f}\n", (<-reconciler.ended).Seconds())
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return manager.Start(ctx)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
