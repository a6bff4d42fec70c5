// Package proxy puts a TCP proxy in front of a server and lets tests and
// programs break the network between the two.
//
// [Listen] starts a [Proxy] on a port of 127.0.0.1; [InFront] does so for the
// server that a redis:// or postgres:// URL names. The proxy forwards bytes and
// knows no protocol. Its faults are switched while it runs and apply to the
// connections open now and to those made later:
//
//	Freeze, Thaw     nothing passes, in one direction or both; nothing is lost
//	Delay            every byte arrives later, none is slowed down by another
//	Refuse, Restore  new connections are reset, open ones go on
//	Cut              open connections are reset, new ones are welcome
//
// The end of a connection travels like a byte: behind the bytes sent before
// it, frozen and delayed with them. A half-closed connection stays half open.
//
// A network that loses everything is Freeze followed by Cut: to both sides
// bytes held and dropped later are no different from bytes dropped at once.
//
// What is frozen is what connections carry, not the making of them. A frozen
// proxy still accepts, and connects to the server, as a stopped process or a
// full machine does. Each connection holds up to 16 MiB in each direction;
// then the sender has to wait.
package proxy
