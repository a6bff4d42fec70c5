//go:build unix

// Package load measures what a conversation costs a server that holds very
// many of them: the WebSocket endpoint of package inbound, on the lead service,
// on a real Redis and a real Postgres.
//
//	this process: N customers ─▶ N WebSockets ─▶ server process ─▶ redis-server
//	                                                     └───────▶ postgres
//
// The server is a process of its own, so that its memory and processor time are
// its own. Both it and the customers, Redis and Postgres share the machine.
//
// Two runs follow each other, each with a server that has just started and
// tables without leads: one without the cache, which is what REDIS_ENABLED=false
// does, one with it. In each all connections are opened, one for each customer,
// and one text is sent over each, which makes its lead. Then every customer
// sends a text at fixed times, whether the server is fast or slow. After all
// have done that once, it is measured.
//
// # What the figures are
//
// A text is answered when it was stored and its answer has been read. The
// latency counts from the moment at which the text was due, so that a customer
// who waits for one answer does not hide how late the next text is. How late
// the customers themselves were, with nothing to wait for, is a figure of its
// own: if it is large, this process is what limits, and there is no verdict. More
// answers in a second than were asked for are what was left from before.
//
// Memory is what the server occupies with all connections open and no text
// under way, when it has been measured, less what it occupied before the first
// connection, divided by the connections. So the entries of the local tier count
// as the conversation's, and what the server has for all of them counts too, if
// it came up meanwhile: pools, and pages of the program. RSS includes garbage
// that has not been collected; heap and stacks do not. What the kernel has for
// a socket is in neither.
//
// Processor time is that of the server process, in user and kernel mode. Where
// it goes is told by a profile of the same time, 100 samples for each second of
// it: see parts.
//
// # What is not measured
//
// The room for entries in the local tier is twice the number of customers: what
// it costs to have too little is no subject of this package.
package load
