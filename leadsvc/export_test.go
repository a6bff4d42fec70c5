package leadsvc

import "leadcache/tiered"

// OneLine is what becomes of a text that somebody wrote.
var OneLine = oneLine

// Codec is what turns values into JSON and back.
var Codec tiered.Codec = codec{}
