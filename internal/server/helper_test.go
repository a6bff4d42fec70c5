//go:build unix

package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/jackc/pgx/v5"

	"leadcache/internal/server"
)

// helperVariable makes this test binary a process that starts servers and
// never stops them. Its value says how it goes on.
const helperVariable = "SERVER_TEST_HELPER"

// helperReport is what the helper tells the test in one line.
type helperReport struct {
	Addrs     []string // of the servers
	Dirs      []string
	Bystander int // a child of the helper that outlives it
}

func helper(how string) {
	if how == "start" {
		_, err := server.StartPostgres(context.Background())
		fmt.Println("ended too late:", err)
		return
	}
	report, err := startBoth(how)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	line, err := json.Marshal(report)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
	// The test answers when it has seen the processes.
	in := bufio.NewReader(os.Stdin)
	_, _ = in.ReadString('\n')
	switch how {
	case "return":
	case "exit":
		os.Exit(3)
	case "panic":
		panic("planned")
	default:
		_, _ = in.ReadString('\n') // until the signal, or the end of the test
	}
}

func startBoth(how string) (report helperReport, err error) {
	ctx := context.Background()
	r, err := server.StartRedis(ctx)
	if err != nil {
		return report, err
	}
	p, err := server.StartPostgres(ctx)
	if err != nil {
		return report, err
	}
	report.Addrs = []string{r.Addr(), p.Addr()}
	report.Dirs = []string{r.Dir(), p.Dir()}
	// If it had the pipes of the leashes, it would keep them open. It ends
	// when the test closes the pipe that it reads.
	bystander := exec.Command("cat")
	bystander.Stdin = os.NewFile(3, "lifeline")
	bystander.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := bystander.Start(); err != nil {
		return report, err
	}
	report.Bystander = bystander.Process.Pid
	if err := spin(ctx, p.URL()); err != nil {
		return report, err
	}
	switch how {
	case "pause":
		r.Pause()
		p.Pause()
	case "kill":
		r.Kill()
		p.Kill()
	}
	return report, nil
}

// spin keeps a backend busy with a query that never ends and never waits, so
// that it does not notice when the postmaster is gone.
func spin(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	go func() { _, _ = conn.Exec(ctx, "do $$ begin loop end loop; end $$") }()
	watch, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer watch.Close(ctx)
	const busy = "select count(*) from pg_stat_activity where state = 'active' and query like 'do %'"
	for n := 0; n == 0; {
		if err := watch.QueryRow(ctx, busy).Scan(&n); err != nil {
			return err
		}
	}
	return nil
}
