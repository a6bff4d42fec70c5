// Package prefetch begins to fetch memory that is going to be read a moment later.
package prefetch
