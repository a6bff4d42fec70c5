package rivals

func init() {
	register(rival{name: ours + "-default-codec", redis: true, shares: true, open: openOurs(nil)})
}

// ours-default-codec is ourCache with the codec that it has where its user
// brings none: encoding/json as it is from Go 1.27 on. It is said to have no
// local tier, so that it is measured only where that makes a difference.
