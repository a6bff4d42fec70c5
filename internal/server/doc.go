//go:build unix

// Package server starts private redis-server and postgres processes for tests
// and the demo, and takes care that none of them outlives the process that
// started it.
//
// Each server runs under a leash: a small shell script (leash.sh) in a process
// group of its own, whose standard input is a pipe. The write end of that pipe
// exists once, in this process, and is closed on exec. When this process ends,
// by return, panic, os.Exit, Ctrl-C or SIGKILL, the kernel closes the pipe and
// the leash ends the server, with all its child processes and even if it is
// paused, and removes its folder. Stop does the same and waits for it.
//
// A leash cannot help when it is killed itself with SIGKILL, or when the whole
// machine or container ends.
//
// Servers listen on 127.0.0.1 only, on a port that was free when they started,
// in a folder of their own under [os.TempDir]. The package needs a Unix system
// with /bin/sh, and /proc or lsof.
package server
