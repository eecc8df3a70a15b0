package workload

import (
	"k8s.io/apimachinery/pkg/util/cache"
)

// container is one as its runtime describes it.
type container struct {
	id       string
	podUID   string
	workload Workload
}

// known are the answers so far. What is not asked for is forgotten.
type known struct {
	containers *cache.LRUExpireCache // Workload by container id
	pods       *cache.LRUExpireCache // Workload without a container by UID
}

func newKnown() *known {
	return &known{cache.NewLRUExpireCache(most), cache.NewLRUExpireCache(most)}
}

func (k *known) container(id string) (Workload, bool) {
	return look(k.containers, id)
}

func (k *known) pod(uid string) (Workload, bool) {
	return look(k.pods, uid)
}

func look(c *cache.LRUExpireCache, key string) (Workload, bool) {
	w, ok := c.Get(key)
	if !ok {
		return Workload{}, false
	}
	return w.(Workload), true
}

func (k *known) keepContainer(id string, w Workload) {
	k.containers.Add(id, w, kept)
}

func (k *known) keepPod(uid string, w Workload) {
	k.pods.Add(uid, w, kept)
}

// keep takes what a runtime told. A container without a name is as good as unknown.
func (k *known) keep(c container) {
	if c.workload.Container != "" && len(c.id) <= longestName {
		k.keepContainer(c.id, c.workload)
	}
	if c.podUID != "" && c.workload.Pod != "" {
		k.keepPod(c.podUID, Workload{Namespace: c.workload.Namespace, Pod: c.workload.Pod})
	}
}
