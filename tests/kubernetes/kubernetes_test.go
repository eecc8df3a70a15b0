package kubernetes

import (
	"testing"
)

func TestCluster(t *testing.T) {
	out, err := node.kubectl("apply", "-f", "testdata/shop.yaml")
	t.Log(out, err)
	err = await("pod", func() error { out, err = node.kubectl("wait", "-n", "shop", "--for=condition=Ready", "pod/checkout-0", "--timeout=20s"); return err })
	t.Log(out, err)
	out, err = node.kubectl("get", "pods,events", "-A")
	t.Log(out, err)
}
