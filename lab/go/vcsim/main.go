// Command vcsim is the lab's vCenter: VMware's own simulator, made to behave like a vCenter where it does not.
//
// It listens on loopback only and keeps its state in memory.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/vmware/govmomi/cns/simulator"
	_ "github.com/vmware/govmomi/lookup/simulator"
	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/sts/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

type options struct {
	listen       string
	certificate  string
	key          string
	accounts     string
	instanceUUID string
	hosts        int
	taskDelay    time.Duration
	bootDelay    time.Duration
}

func parse() options {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8989", "loopback address and port")
	flag.StringVar(&o.certificate, "tls-cert", "", "PEM file with the server's certificate")
	flag.StringVar(&o.key, "tls-key", "", "PEM file with its private key")
	flag.StringVar(&o.accounts, "accounts", "", `JSON file: {"user": {"password": "…", "readOnly": false}, …}`)
	flag.StringVar(&o.instanceUUID, "instance-uuid", "", "the vCenter's identity (default: random)")
	flag.IntVar(&o.hosts, "hosts", 3, "hosts of the cluster")
	flag.DurationVar(&o.taskDelay, "task-delay", 0, "time that every task takes")
	flag.DurationVar(&o.bootDelay, "boot-delay", 0, "time from power-on until the guest's tools run")
	flag.Parse()
	return o
}

func main() {
	if err := run(parse()); err != nil {
		log.Fatal(err)
	}
}

func run(o options) error {
	if err := loopback(o.listen); err != nil {
		return err
	}
	accounts, err := readAccounts(o.accounts)
	if err != nil {
		return fmt.Errorf("--accounts: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(o.certificate, o.key)
	if err != nil {
		return fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	setTaskDelay(o.taskDelay)
	model, err := newModel(o)
	if err != nil {
		return err
	}
	defer model.Remove()
	guests := newGuests(o.bootDelay)
	kept := newProtected()
	chosen := newAssociations()
	disks, machines := install(model.Map(), accounts, guests, kept, chosen)
	if err = furnish(ctx, model); err != nil {
		return fmt.Errorf("inventory: %w", err)
	}

	servePolicies(accounts, model.Map(), chosen)
	serveCatalog(disks)
	web := newWeb()
	serveAutomation(accounts, model.Map(), newLibraries(model.Map(), machines, web))
	service := model.Service
	service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	// Without a user here the simulator lets everybody in and never asks ValidLogin.
	service.Listen = &url.URL{Host: o.listen, User: url.User("nobody")}
	service.RegisterEndpoints = true
	model.Map().SessionManager().ValidLogin = accounts.valid
	service.HandleFunc(settingsPath, settings{accounts, guests, model.Map(), kept}.serve)
	service.HandleFunc(seedPath, seed{service}.serve)
	service.HandleFunc(filesPath, web.serve)
	server := service.NewServer()
	log.Printf("serving https://%s/sdk", o.listen)
	<-ctx.Done()
	server.CloseClientConnections()
	return nil
}

func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("--listen: %s is not a loopback address", host)
	}
	return nil
}

// install puts the lab's own objects in front of the simulator's.
func install(
	registry *simulator.Registry, accounts *accounts, guests *guests, kept *protected, chosen *associations,
) (*disks, *machines) {
	feed := newFeed()
	registry.Put(feed)
	registry.AddHandler(feed)
	registry.AddHandler(guests)
	registry.AddHandler(&taskTexts{newResident("tasks")})
	hosts := &load{resident: newResident("load"), registry: registry}
	registry.AddHandler(hosts)
	go hosts.follow()

	disks := newDisks(feed, chosen)
	registry.Put(disks)
	registry.AddHandler(disks)
	machines := newMachines(feed, chosen, disks)
	registry.Put(machines)
	registry.AddHandler(machines)
	networks, fields := newNetworks(feed), newFields(feed)
	registry.Put(networks)
	registry.Put(fields)
	authority := &authority{resident: newResident("authority"), accounts: accounts}
	registry.Put(authority)

	root := &collector{}
	root.Self = *collectorReference(registry)
	// The one that the model was built with would go on collecting every update for nobody.
	registry.RemoveHandler(&root.PropertyCollector)
	registry.Put(root)
	registry.Handler = dispatcher{accounts, machines, disks, networks, fields, authority, kept}.dispatch
	return disks, machines
}
