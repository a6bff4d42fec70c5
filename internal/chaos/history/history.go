package history

import "time"

// A Time is in nanoseconds of a monotonic clock that all processes share. Zero
// means that it did not happen.
type Time int64

// A Read is one answer of a cache.
type Read struct {
	Key   string        `json:"k"`
	Node  int           `json:"n"` // which process asked; one that is started again is another
	Start Time          `json:"s"` // taken before the call
	End   Time          `json:"e"` // taken after it
	Bound time.Duration `json:"b"` // the staleness that the reader allowed

	// Version is that of the value; for an absent key it is 0. What was no
	// value of that key at all is [Garbage].
	Version int64 `json:"v"`
}

// Garbage is the Version of a Read that returned something of another key.
const Garbage int64 = -1

// A Write is one committed change of a key and its invalidation.
type Write struct {
	Key       string `json:"k"`
	Node      int    `json:"n"` // Foreign: a program without the cache
	Version   int64  `json:"v"`
	Start     Time   `json:"s"` // taken before the statement was sent
	Committed Time   `json:"c"` // taken after its commit was acknowledged
	Returned  Time   `json:"r"` // taken after Invalidate returned, whatever it returned
	Acked     Time   `json:"a"` // taken after the invalidation was acknowledged
}

// Foreign is the Node of a writer that has no cache, and so no reads of its own.
const Foreign = 0

// A Lead is one answer to a request for the lead of a phone number.
type Lead struct {
	Phone string `json:"p"`
	Node  int    `json:"n"`
	ID    string `json:"i"`
}

// A Row is a lead in the database.
type Row struct{ Phone, ID string }

// A History is all that a run has recorded. Writes whose node died are missing
// from it: they may be visible, and were never acknowledged.
type History struct {
	Reads  []Read
	Writes []Write
	Leads  []Lead

	Final map[string]int64 // the version of each key in the database, at the end
	Rows  []Row            // the leads in the database, at the end
}

// Absent reports whether a key does not exist at a version: every seventh
// change of a key deletes it, the next one brings it back.
func Absent(version int64) bool { return version%7 == 3 }
