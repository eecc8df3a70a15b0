/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tenant.bpf.h: what one cgroup may take of what all share, where a whole node is
 * traced. Who asks for more is refused, which is counted, and nobody else suffers.
 */
#ifndef LEAK_TENANT_BPF_H
#define LEAK_TENANT_BPF_H

/*
 * tenants: tenant -> leak_tenant. Written by the verbs below; zeroed by Go before
 * a number is given to another cgroup.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEAK_TENANTS);
	__type(key, __u32);
	__type(value, struct leak_tenant);
} tenants SEC(".maps");

/*
 * returns: tenant -> leak_returns, what Go has deleted of a tenant's entries since
 * the number is its own. Written by Go alone.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEAK_TENANTS);
	__type(key, __u32);
	__type(value, struct leak_returns);
} returns SEC(".maps");

/* What a tenant may have at once or, of what is by the second, in one. Set by Go. */
const volatile __u64 budgets[LEAK_BUDGETS] = {};

/* tenant_of returns the tenant of a scope; NULL where nothing is shared. */
static __always_inline struct leak_tenant *tenant_of(__u32 scope)
{
	__u32 tenant = scope >> LEAK_PROGRAM_BITS;

	return tenant ? bpf_map_lookup_elem(&tenants, &tenant) : NULL;
}

/*
 * entry_taken counts an entry of a map that is to be made, or refuses it. A process
 * that changes its cgroup may take here and give there: less than nothing is little.
 */
static __always_inline bool entry_taken(__u32 scope, enum leak_budget budget)
{
	struct leak_tenant *tenant = tenant_of(scope);
	__u32 number = scope >> LEAK_PROGRAM_BITS;
	struct leak_returns *returned;

	if (!tenant)
		return true;
	returned = bpf_map_lookup_elem(&returns, &number);
	if (returned && (__s64)(__sync_fetch_and_add(&tenant->used[budget], 1) - returned->entries[budget]) <
				(__s64)budgets[budget])
		return true;
	__sync_fetch_and_add(&tenant->used[budget], -1);
	__sync_fetch_and_add(&tenant->refused[budget], 1);
	return false;
}

/* entry_given is for an entry that was deleted, or not made after all. */
static __always_inline void entry_given(__u32 scope, enum leak_budget budget)
{
	struct leak_tenant *tenant = tenant_of(scope);

	if (tenant)
		__sync_fetch_and_add(&tenant->used[budget], -1);
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
