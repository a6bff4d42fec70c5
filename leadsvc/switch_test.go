package leadsvc_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

// The switch is flipped under callers of every kind: none sees an error, and
// who changed a lead reads that change. CacheStatus follows.
//
// The leads are there before: of one that is made while the switch is off, others hear
// when it is on again (TestCreatedWhileOff).
func TestSwitchUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n, other := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
	stop := make(chan struct{})
	var work sync.WaitGroup
	numberOf := func(caller int) string { return fmt.Sprintf("778555%04d", caller) }
	const callers = 4
	for caller := range callers {
		if _, err := n.FindOrCreateLead(t.Context(), numberOf(caller), defaultOrg); err != nil {
			t.Fatal(err)
		}
	}
	call := func(caller int) error {
		number := numberOf(caller)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return nil
			default:
			}
			lead, err := n.FindOrCreateLead(t.Context(), number, defaultOrg)
			if err != nil {
				return err
			}
			name := fmt.Sprint("caller ", i)
			if _, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set(name)}); err != nil {
				return err
			}
			if lead, err = n.FindLeadByPhone(t.Context(), number, defaultOrg); err != nil {
				return err
			}
			if got := lead.CustomerName.String; got != name {
				return fmt.Errorf("%q was read after %q was written", got, name)
			}
			if _, err := other.FindLeadByPhone(t.Context(), number, defaultOrg); err != nil {
				return err
			}
		}
	}
	for caller := range callers {
		work.Go(func() {
			if err := call(caller); err != nil {
				t.Error(err)
			}
		})
	}
	for range 10 {
		for on, want := range map[bool]leadsvc.CacheState{false: leadsvc.CacheOff, true: leadsvc.CacheWorking} {
			if err := n.link.SetEnabled(on); err != nil {
				t.Fatal(err)
			}
			gets := n.CacheStatus().Total.Gets
			servertest.Eventually(t, soon, func() bool { return n.CacheStatus().Total.Gets > gets+10 }, "calls")
			servertest.Eventually(t, soon, func() bool {
				st := n.CacheStatus()
				return st.State == want && st.Enabled == on && st.Connected == on
			}, "CacheStatus to be "+string(want))
		}
	}
	close(stop)
	work.Wait()
}

// Who knew that there is no such lead, from Redis, hears of one that a node made
// while its switch was off as soon as that is on again.
func TestCreatedWhileOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n, other := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
	const number = "7785550199"
	find := func() error {
		_, err := other.FindLeadByPhone(t.Context(), number, defaultOrg)
		return err
	}
	if err := find(); !errors.Is(err, leadsvc.ErrNotFound) {
		t.Fatalf("FindLeadByPhone = %v, want ErrNotFound", err)
	}
	if err := n.link.SetEnabled(false); err != nil {
		t.Fatal(err)
	}
	if _, err := n.FindOrCreateLead(t.Context(), number, defaultOrg); err != nil {
		t.Fatal(err)
	}
	if err := find(); !errors.Is(err, leadsvc.ErrNotFound) {
		t.Errorf("FindLeadByPhone = %v: somebody has told the other node", err)
	}
	if err := n.link.SetEnabled(true); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, soon, func() bool { return find() == nil }, "the lead to be found")
}

// Off, CacheStatus says so, as with REDIS_ENABLED=false.
func TestCacheStatusSwitchedOff(t *testing.T) {
	t.Parallel()
	n := newFleet(t).node(t, leadsvc.Config{})
	if err := n.link.SetEnabled(false); err != nil {
		t.Fatal(err)
	}
	fill(t, n)
	st := n.CacheStatus()
	use := leadsvc.CacheUse{Gets: 3, LocalMisses: 3, RedisMisses: 3, Loads: 3}
	if st.State != leadsvc.CacheOff || st.Enabled || st.Connected || !st.DegradedSince.IsZero() || st.LastError != "" || st.Total != use {
		t.Errorf("CacheStatus = %+v, want it to be off, and %+v", st, use)
	}
}
