// An agent in Go: holds some memory, makes garbage where it is busy, and notes when it stood still.
package main

import (
	"flag"
	"fmt"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

var kept [][]byte

func main() {
	live := flag.Int("live", 0, "MiB held")
	garbage := flag.Int("garbage", 0, "MiB of garbage at the start, which nothing collects")
	busy := flag.Int("busy", 0, "KiB of garbage each 10 ms")
	percent := flag.Int("gogc", 100, "")
	flag.Parse()
	debug.SetGCPercent(*percent)
	for i := 0; i < *live+*garbage; i++ {
		block := make([]byte, 1<<20)
		for at := range block {
			block[at] = 1
		}
		if i < *live {
			kept = append(kept, block)
		}
	}
	go http.ListenAndServe("127.0.0.1:8080", nil)
	folder := os.Getenv("HARM_FOLDER")
	os.WriteFile(fmt.Sprintf("%s/up-%d", folder, os.Getpid()), nil, 0o644)
	gaps, _ := os.Create(fmt.Sprintf("%s/gaps-%d-go", folder, os.Getpid()))
	last, used := time.Now(), cpuMs()
	for {
		time.Sleep(10 * time.Millisecond)
		if *busy > 0 {
			kept = append(kept[:*live], make([]byte, *busy<<10))
		}
		now, cpu := time.Now(), cpuMs()
		if gap := now.Sub(last); gap > 200*time.Millisecond {
			fmt.Fprintln(gaps, now.UnixMilli(), gap.Seconds()*1000, cpu-used)
		}
		last, used = now, cpu
	}
}

func cpuMs() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
}
