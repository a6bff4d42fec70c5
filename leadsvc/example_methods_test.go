package leadsvc_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leadcache/leadsvc"
)

// service and ctx stand for those of a program, see the example of the package.
var (
	service *leadsvc.Service
	ctx     context.Context
)

const (
	leadID         = "5b0c3c5e-0000-4000-8000-000000000001"
	organizationID = "b0c1b1c1-0000-0000-0000-000000000001"
)

func ExampleParsePhone() {
	phone, err := leadsvc.ParsePhone("(778) 652-8784")
	fmt.Println(phone, err)
	_, err = leadsvc.ParsePhone("anonymous")
	fmt.Println(err)
	// Output:
	// 17786528784 <nil>
	// leadsvc: invalid phone number
}

// A call comes in.
func ExampleService_FindOrCreateLead() {
	organization, err := service.OrganizationByPhone(ctx, "+16045550100") // the number that was called
	if err != nil {
		return
	}
	lead, err := service.FindOrCreateLead(ctx, "+17786528784", organization.ID)
	if errors.Is(err, leadsvc.ErrInvalidPhone) {
		return // a caller who hides the number
	}
	fmt.Println(lead.ID, lead.Status, err)
}

func ExampleService_FindLeadByPhone() {
	lead, err := service.FindLeadByPhone(ctx, "+17786528784", organizationID)
	if errors.Is(err, leadsvc.ErrNotFound) {
		fmt.Println("has never called")
		return
	}
	fmt.Println(lead.CustomerName.String, err)
}

func ExampleService_Lead() {
	lead, err := service.Lead(ctx, leadID)
	fmt.Println(lead.PhoneNumber, err)
}

// A number that belongs to no organization is answered by the default one.
func ExampleService_OrganizationByPhone() {
	organization, err := service.OrganizationByPhone(ctx, "+16045550100")
	fmt.Println(organization.Name, err)
}

// What is set, what becomes null, and what is left alone are three things.
func ExampleService_UpdateLead() {
	lead, err := service.UpdateLead(ctx, leadID, leadsvc.LeadChanges{
		CustomerName:  leadsvc.Set("Ann Lee"),
		Email:         leadsvc.Null[string](),
		LastContactAt: leadsvc.Set(time.Now()),
	})
	fmt.Println(lead.UpdatedAt, err) // every node forgets the old row
}

func ExampleService_ClassifyLead() {
	lead, err := service.ClassifyLead(ctx, leadID, leadsvc.Classification{
		PurchaseIntent: 0.85,
		Engaged:        true,
		Timeline:       "this month",
	})
	fmt.Println(lead.Status, err) // hot
}

// A message that the carrier delivers twice is stored once.
func ExampleService_AppendMessage() {
	stored, err := service.AppendMessage(ctx, leadsvc.Message{
		LeadID:     leadID,
		Content:    "Is the blue one still in stock?",
		SentBy:     leadsvc.SenderUser,
		Type:       leadsvc.ChannelSMS,
		ExternalID: "SM0123456789",
	})
	fmt.Println(stored.Timestamp, err)
}

func ExampleService_Conversations() {
	messages, err := service.Conversations(ctx, leadID, 20)
	for _, m := range messages {
		fmt.Println(m.SentBy, m.Content)
	}
	fmt.Println(err)
}

func ExampleService_Summaries() {
	summaries, err := service.Summaries(ctx, leadID)
	fmt.Println(len(summaries), err)
}

func ExampleService_Session() {
	call, err := service.Session(ctx, leadID)
	if errors.Is(err, leadsvc.ErrNotFound) {
		fmt.Println("no call yet")
		return
	}
	fmt.Println(call.CallSID.String, call.EndedAt.Valid, err)
}

// For the prompt of an agent.
func ExampleService_ConversationContext() {
	known, err := service.ConversationContext(ctx, leadID)
	fmt.Println(known.Text, err)
}

func ExampleService_Greeting() {
	words, err := service.Greeting(ctx, leadID)
	fmt.Println(words, err)
}

// After a change by other means, in SQL for one.
func ExampleService_InvalidateLeadCaches() {
	err := service.InvalidateLeadCaches(ctx, leadID, "+17786528784", organizationID)
	if errors.Is(err, leadsvc.ErrPending) {
		fmt.Println("other nodes are told when Redis is back")
	}
}

func ExampleService_InvalidateOrganizationCache() {
	fmt.Println(service.InvalidateOrganizationCache(ctx, "+16045550100"))
}

func ExampleService_CacheStatus() {
	status := service.CacheStatus()
	fmt.Println(status) // in one line
	fmt.Println(status.Kinds["lead"].LocalHitRate, status.RedisLatency, status.DegradedSince)
}
