/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tenant.bpf.h: what one cgroup may take of what all share, where a whole node is
 * traced. Who asks for more is refused, which is counted, and nobody else suffers.
 */
#ifndef LEAK_TENANT_BPF_H
#define LEAK_TENANT_BPF_H

/*
 * tenants: tenant -> leak_tenant, and at 0 what all of them have. Written by the
 * verbs below; zeroed by Go before a number is given to another cgroup.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEAK_TENANTS);
	__type(key, __u32);
	__type(value, struct leak_tenant);
} tenants SEC(".maps");

/*
 * returns: tenant -> leak_returns, by how much tenants counts more entries than there
 * are. Written by Go at each snapshot, which finds out how many there are: it deletes
 * some itself, and no count that is kept up to date alone stays right for ever.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEAK_TENANTS);
	__type(key, __u32);
	__type(value, struct leak_returns);
} returns SEC(".maps");

/*
 * Of entries how many there can be, and how many times as many as are free one tenant
 * may have: of two that want all they can get each gets less, and something is left
 * for a third. Of what is by the second, how many a tenant may have in one. Set by Go.
 */
const volatile __u64 budgets[LEAK_BUDGETS] = {};
const volatile __u64 shares[LEAK_BUDGET_ENTRIES] = {};

/* tenant_of returns the tenant of a scope; NULL where nothing is shared. */
static __always_inline struct leak_tenant *tenant_of(__u32 scope)
{
	__u32 tenant = scope >> LEAK_PROGRAM_BITS;

	return tenant ? bpf_map_lookup_elem(&tenants, &tenant) : NULL;
}

/* entries_of is how many entries a tenant has, or all together. */
static __always_inline __s64 entries_of(__u32 number, enum leak_budget budget)
{
	struct leak_returns *returned = bpf_map_lookup_elem(&returns, &number);
	struct leak_tenant *tenant = bpf_map_lookup_elem(&tenants, &number);

	return tenant && returned ? tenant->used[budget] - returned->entries[budget] : 0;
}

/* entry_given is for an entry that was deleted, or not made after all. */
static __always_inline void entry_given(__u32 scope, enum leak_budget budget)
{
	struct leak_tenant *tenant = tenant_of(scope), *everybody;
	__u32 all = 0;

	everybody = bpf_map_lookup_elem(&tenants, &all);
	if (!tenant || !everybody)
		return;
	__sync_fetch_and_add(&tenant->used[budget], -1);
	__sync_fetch_and_add(&everybody->used[budget], -1);
}

/* entry_taken counts an entry of a map that is to be made, or refuses it. */
static __always_inline bool entry_taken(__u32 scope, enum leak_budget budget)
{
	struct leak_tenant *tenant = tenant_of(scope), *everybody;
	__u32 all = 0;
	__s64 free;

	everybody = bpf_map_lookup_elem(&tenants, &all);
	if (!tenant || !everybody)
		return true;
	free = budgets[budget] - entries_of(all, budget);
	if (entries_of(scope >> LEAK_PROGRAM_BITS, budget) >= (__s64)(free * shares[budget])) {
		__sync_fetch_and_add(&tenant->refused[budget], 1);
		return false;
	}
	__sync_fetch_and_add(&tenant->used[budget], 1);
	__sync_fetch_and_add(&everybody->used[budget], 1);
	return true;
}

/* rate_allows counts something that a tenant may do so often in a second. */
static __always_inline bool rate_allows(__u32 scope, enum leak_budget budget)
{
	struct leak_tenant *tenant = tenant_of(scope);
	__u64 second;

	if (!tenant)
		return true;
	second = bpf_ktime_get_ns() >> LEAK_SECOND_SHIFT;
	if (tenant->second[budget] != second) {
		tenant->second[budget] = second;
		tenant->used[budget] = 0;
	}
	if (__sync_fetch_and_add(&tenant->used[budget], 1) < budgets[budget])
		return true;
	__sync_fetch_and_add(&tenant->refused[budget], 1);
	return false;
}

#endif
