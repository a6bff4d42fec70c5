package leadsvc

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of what a prompt has room for, in bytes. All but the messages fit
// into maxPrompt whatever they are; so do the last few messages.
const (
	maxPrompt  = 8 << 10
	maxName    = 200
	maxDetails = 1 << 10 // of a JSON column; a longer one is left out
	maxSummary = 800
	maxMessage = 600
)

// prompt says what b holds in lines of plain text. Messages that find no room
// are left out, the oldest first.
func (b background) prompt() string {
	var text strings.Builder
	line := func(label, what string) {
		if what != "" {
			text.WriteString(label + ": " + what + "\n")
		}
	}
	line("Organization", oneLine(b.organization, maxName))
	line("Name", oneLine(b.lead.CustomerName.String, maxName))
	line("Status", oneLine(string(b.lead.Status), maxName))
	line("Sentiment", oneLine(string(b.lead.Sentiment), maxName))
	line("Bike interest", details(b.lead.BikeInterest))
	line("Qualification", details(b.lead.QualificationData))
	line("Last contact", day(b.lead.LastContactAt.Time))
	if len(b.summaries) > 0 {
		text.WriteString("\nEarlier conversations, the latest first:\n")
		for _, s := range b.summaries {
			line(day(s.CreatedAt), oneLine(s.Summary, maxSummary))
		}
	}
	const heading = "\nLast messages, the latest last:\n"
	if said := transcript(b.messages, maxPrompt-text.Len()-len(heading)); said != "" {
		text.WriteString(heading + said)
	}
	return text.String()
}

// transcript returns the last messages, one to a line, of which as many are
// kept as fit into room.
func transcript(messages []Conversation, room int) string {
	lines := make([]string, len(messages))
	first := len(messages)
	for first > 0 {
		line := transcribe(messages[first-1])
		if len(line) > room {
			break
		}
		room -= len(line)
		first--
		lines[first] = line
	}
	return strings.Join(lines[first:], "")
}

// transcribe returns the line of a message, or nothing if it says nothing.
func transcribe(m Conversation) string {
	said := oneLine(m.Content, maxMessage)
	if said == "" {
		return ""
	}
	return speaker(m.SentBy) + ": " + said + "\n"
}

func speaker(s Sender) string {
	switch s {
	case SenderUser:
		return "Customer"
	case SenderAgent:
		return "Agent"
	case SenderHumanAgent:
		return "Human agent"
	case SenderSystem:
		return "System"
	default:
		return "Unknown"
	}
}

// details returns a JSON column that says something.
func details(j JSON) string {
	if j == "{}" || len(j) > maxDetails {
		return ""
	}
	return oneLine(string(j), maxDetails)
}

// day returns the date of t, which is in UTC.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

const zeroWidthJoiner = 0x200d // part of many emoji

// oneLine returns s with each run of spaces and control characters made one
// space, none at the ends, and without characters that only format. What is longer than limit bytes is cut between
// characters and ends with an ellipsis.
func oneLine(s string, limit int) string {
	const ellipsis = "…"
	var line []byte
	fits := 0 // how much of line leaves room for an ellipsis
	gap := false
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			gap = len(line) > 0
			continue
		}
		if unicode.Is(unicode.Cf, r) && r != zeroWidthJoiner {
			continue // it shows as nothing, or turns what follows around
		}
		if gap {
			line, gap = append(line, ' '), false
		}
		line = utf8.AppendRune(line, r)
		if len(line) > limit {
			return string(line[:fits]) + ellipsis
		}
		if len(line)+len(ellipsis) <= limit {
			fits = len(line)
		}
	}
	return string(line)
}
