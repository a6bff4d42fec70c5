package leadsvc

import "leadcache/pg"

// Lead is a person who calls or writes to an organization.
type Lead = pg.Lead

// LeadChanges name the columns of a lead that change.
type LeadChanges = pg.LeadChanges

// Change says what becomes of one column of [LeadChanges]: the zero value
// leaves it alone, [Set] gives it a value, [Null] makes it null.
type Change[T any] = pg.Change[T]

// Set returns the change of a column to v.
func Set[T any](v T) Change[T] { return pg.Set(v) }

// Null returns the change of a column to null.
func Null[T any]() Change[T] { return pg.Null[T]() }

// Organization is a tenant, and the number by which it is called.
type Organization = pg.Organization

// Conversation is one message, as it was stored.
type Conversation = pg.Conversation

// Message is what [Service.AppendMessage] stores.
type Message = pg.Message

// Summary is what one conversation was about.
type Summary = pg.Summary

// CallSession is one phone call.
type CallSession = pg.CallSession

// JSON is a JSON document; the empty one is null.
type JSON = pg.JSON

// Status says how far a lead has come.
type Status = pg.Status

// The statuses of a lead. A new lead is StatusNew.
const (
	StatusNew       = pg.StatusNew
	StatusContacted = pg.StatusContacted
	StatusQualified = pg.StatusQualified
	StatusHot       = pg.StatusHot
	StatusCustomer  = pg.StatusCustomer
	StatusClosed    = pg.StatusClosed
)

// Sentiment says how a lead feels.
type Sentiment = pg.Sentiment

// The sentiments of a lead. A new lead is SentimentNeutral.
const (
	SentimentPositive = pg.SentimentPositive
	SentimentNeutral  = pg.SentimentNeutral
	SentimentNegative = pg.SentimentNegative
)

// Sender says who sent a message.
type Sender = pg.Sender

// The senders of a message.
const (
	SenderUser       = pg.SenderUser
	SenderAgent      = pg.SenderAgent
	SenderHumanAgent = pg.SenderHumanAgent
	SenderSystem     = pg.SenderSystem
)

// Channel says which way a message came.
type Channel = pg.Channel

// The channels of a message.
const (
	ChannelVoice  = pg.ChannelVoice
	ChannelSMS    = pg.ChannelSMS
	ChannelEmail  = pg.ChannelEmail
	ChannelSystem = pg.ChannelSystem
)
