package leadsvc_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadme holds the snippet in the README to the example that compiles.
func TestReadme(t *testing.T) {
	t.Parallel()
	example := between(t, "example_test.go", "func Example() {\n", "\n}\n")
	readme := between(t, "../README.md", "```go\n", "\n```\n")
	want := strings.TrimPrefix(strings.ReplaceAll("\n"+example, "\n\t", "\n"), "\n")
	if readme != want {
		t.Errorf("README.md shows\n%s\n\nand example_test.go has\n%s", readme, want)
	}
}

// between returns what stands in a file between the first begin and the next
// end.
func between(t *testing.T, file, begin, end string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), begin)
	inner, _, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has nothing between %q and %q", file, begin, end)
	}
	return inner
}
