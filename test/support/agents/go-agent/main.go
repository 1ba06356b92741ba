// An agent in Go that holds some memory, lets go of more, and does what it is told by its input: `grow N`, `echo`.
// Its arguments name what it serves: `plain` (HTTP without pprof), `silent` (takes connections, says nothing), `pprof`, `slow` (pprof after 1.5 s).
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"
)

var (
	held       [][]byte
	transcript bytes.Buffer
)

func hold(megabytes int) [][]byte {
	var blocks [][]byte
	for i := 0; i < megabytes*16; i++ {
		block := make([]byte, 64<<10)
		for at := 0; at < len(block); at += 4096 {
			block[at] = 1
		}
		blocks = append(blocks, block)
	}
	return blocks
}

func remember(megabytes int) {
	for i := 0; i < megabytes*16; i++ {
		transcript.Write(make([]byte, 64<<10))
	}
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return listener
}

func serve(kind string) {
	listener := listen()
	fmt.Println(kind, listener.Addr().(*net.TCPAddr).Port)
	if kind == "silent" {
		go func() {
			for {
				if _, err := listener.Accept(); err != nil {
					return
				}
			}
		}()
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "an agent") })
	var handler http.Handler = mux
	if kind != "plain" {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
	}
	if kind == "slow" {
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(1500 * time.Millisecond)
			mux.ServeHTTP(w, r)
		})
	}
	go http.Serve(listener, handler)
}

func main() {
	held = hold(30)
	hold(300)
	for _, kind := range os.Args[1:] {
		serve(kind)
	}
	fmt.Println("ready")
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var megabytes int
		if n, _ := fmt.Sscanf(input.Text(), "grow %d", &megabytes); n == 1 {
			remember(megabytes)
		}
		fmt.Println("did", input.Text())
	}
}
