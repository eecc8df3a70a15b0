/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.bpf.h: the tables by which stacks are unwound, and how to find the rule
 * for an address in them.
 */
#ifndef LEAK_TABLE_BPF_H
#define LEAK_TABLE_BPF_H

#define LEAK_SPACES 4096 /* a power of two */

/* spaces: space id modulo size -> leak_space. Written by Go. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEAK_SPACES);
	__type(key, __u32);
	__type(value, struct leak_space);
} spaces SEC(".maps");

/* mappings: the mappings of all spaces, each space's together. Written by Go. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, struct leak_mapping);
} mappings SEC(".maps");

/* rows: the rows of all files, each file's together. Written by Go. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 20);
	__type(key, __u32);
	__type(value, struct leak_row);
} rows SEC(".maps");

/* rules: rule number -> packed rule (unwind.h). Written by Go. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 14);
	__type(key, __u32);
	__type(value, __u64);
} rules SEC(".maps");

#define LEAK_RULE_CACHE (1 << 12)

/* leak_cached is a plain rule that was found before. */
struct leak_cached {
	__u64 check; /* rule ^ rule_key: an entry torn by two writers fails */
	__u64 rule;
};

/*
 * rule_cache: hash of (space id, address) -> leak_cached. Written by the walk.
 * Entries of spaces that are gone fail the check, for space ids are not reused.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEAK_RULE_CACHE);
	__type(key, __u32);
	__type(value, struct leak_cached);
} rule_cache SEC(".maps");

enum leak_find {
	LEAK_FIND_UNMAPPED = -1, /* no mapping covers the address */
	LEAK_FIND_NO_TABLE = -2, /* the mapping has no rows */
};

/*
 * find_mapping returns the number of the mapping that covers ip, or negative. It
 * halves the range by arithmetic the verifier takes no bounds from: with them
 * every turn of the loop would be a state of its own.
 */
__noinline int find_mapping(__u32 space_index, __u64 ip)
{
	struct leak_space *space = bpf_map_lookup_elem(&spaces, &space_index);
	struct leak_mapping *mapping;
	__u32 number, count;

	if (!space || !space->mappings)
		return LEAK_FIND_UNMAPPED;
	number = space->first;
	count = space->mappings;
	for (int i = 0; i < LEAK_MAPPING_STEPS && count > 1; i++) {
		__u32 half = count / 2, middle = number + half;
		__u64 below;

		mapping = bpf_map_lookup_elem(&mappings, &middle);
		if (!mapping)
			return LEAK_FIND_UNMAPPED;
		below = mapping->start <= ip;
		barrier_var(below);
		if (below)
			number = middle;
		count -= half;
	}
	mapping = bpf_map_lookup_elem(&mappings, &number);
	if (!mapping || ip < mapping->start || ip >= mapping->end)
		return LEAK_FIND_UNMAPPED;
	return number;
}

/*
 * find_row returns the last of count rows from first on that is not above pc,
 * or -1.
 */
__noinline int find_row(__u32 first, __u32 count, __u32 pc)
{
	__u32 row_index = first;
	struct leak_row *row = bpf_map_lookup_elem(&rows, &row_index);

	if (!row || row->pc > pc)
		return -1;
	for (int i = 0; i < LEAK_ROW_STEPS && count > 1; i++) {
		__u32 half = count / 2, middle = row_index + half;
		__s64 above;

		row = bpf_map_lookup_elem(&rows, &middle);
		if (!row)
			return -1;
		above = (__s64)row->pc - pc;
		barrier_var(above);
		if (above <= 0)
			row_index = middle;
		count -= half;
	}
	return row_index;
}

/* find_number returns the number of the rule that applies at ip, or negative. */
__noinline int find_number(__u32 space_index, __u64 ip)
{
	int index = find_mapping(space_index, ip);
	struct leak_mapping *mapping;
	struct leak_row *row;
	__u32 key = index;
	__u64 pc;

	if (index < 0)
		return LEAK_FIND_UNMAPPED;
	mapping = bpf_map_lookup_elem(&mappings, &key);
	if (!mapping)
		return LEAK_FIND_UNMAPPED;
	pc = ip - mapping->bias;
	if (!mapping->rows || pc >> 32)
		return LEAK_FIND_NO_TABLE;
	index = find_row(mapping->first, mapping->rows, pc);
	if (index < 0)
		return LEAK_FIND_NO_TABLE;
	key = index;
	row = bpf_map_lookup_elem(&rows, &key);
	if (!row)
		return LEAK_FIND_NO_TABLE;
	return row->rule;
}

/* find_rule finds the rule that applies at ip. It returns 0, or why there is none. */
static __always_inline int find_rule(__u32 space_id, __u64 ip, __u64 *rule)
{
	int result = find_number(space_id % LEAK_SPACES, ip);
	__u32 number = result;
	__u64 *found;

	if (result < 0)
		return result;
	found = bpf_map_lookup_elem(&rules, &number);
	if (!found)
		return LEAK_FIND_NO_TABLE;
	*rule = *found;
	return 0;
}

static __always_inline __u64 hash_mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/*
 * space_seed begins the hashes of what belongs to a space. The ids themselves would
 * not do: what differs in the last bits only cancels out with addresses that do.
 */
static __always_inline __u64 space_seed(__u32 space_id)
{
	return hash_mix(1, space_id);
}

/* rule_key is what rule_cache knows an address by. */
static __always_inline __u64 rule_key(__u64 seed, __u64 ip)
{
	return hash_mix(seed, ip);
}

static __always_inline struct leak_cached *rule_slot(__u64 key)
{
	__u32 index = key % LEAK_RULE_CACHE;

	return bpf_map_lookup_elem(&rule_cache, &index);
}

/* rule_cached returns the plain rule known for an address, or 0. */
static __always_inline __u64 rule_cached(__u64 key)
{
	struct leak_cached *cached = rule_slot(key);
	__u64 rule;

	if (!cached)
		return 0;
	rule = cached->rule;
	return (cached->check ^ rule) == key ? rule : 0;
}

/*
 * rule_remember keeps a plain rule. A few hundred addresses make up most stacks,
 * and searching for each of them again would be half of the walk.
 */
static __always_inline void rule_remember(__u64 key, __u64 rule)
{
	struct leak_cached *cached = rule_slot(key);

	if (cached && rule) {
		cached->rule = rule;
		cached->check = rule ^ key;
	}
}

#endif
