// The only program of the smallest images: it pauses, as the process that holds a pod's namespaces must, or looks at
// its pod from the inside for a test.
//
//	probe                   wait for SIGTERM
//	probe serve :8080       answer each request with the host's name
//	probe fetch URL         print what URL answers, and wait for it for a minute
//	probe write FILE TEXT   write TEXT
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var err error
	switch words := os.Args[1:]; {
	case len(words) == 0:
		pause()
	case words[0] == "serve" && len(words) == 2:
		err = serve(words[1])
	case words[0] == "fetch" && len(words) == 2:
		err = fetch(words[1])
	case words[0] == "write" && len(words) == 3:
		err = os.WriteFile(words[1], []byte(words[2]), 0o644)
	default:
		err = fmt.Errorf("unknown command: %q", words)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pause waits for SIGTERM and, as the first process of a pod, buries what the others leave.
func pause() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for pid := 1; pid > 0; {
			pid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		}
	}
}

func serve(address string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, name)
	}))
}

func fetch(url string) error {
	client := http.Client{Timeout: 2 * time.Second}
	deadline := time.Now().Add(time.Minute)
	for {
		answer, err := client.Get(url)
		if err == nil {
			defer answer.Body.Close()
			_, err = io.Copy(os.Stdout, answer.Body)
			return err
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
