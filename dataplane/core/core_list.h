/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked lists. The head is a link of its own; an unlinked link points nowhere, so it can be asked. */
#ifndef CORE_LIST_H
#define CORE_LIST_H

#include <heddle/base.h>

struct list_link {
	struct list_link *next, *prev;
};

static inline void list_init(struct list_link *head)
{
	head->next = head->prev = head;
}

static inline int list_is_empty(const struct list_link *head)
{
	return head->next == head;
}

/* A zeroed link is unlinked. */
static inline int list_is_linked(const struct list_link *l)
{
	return l->next != NULL;
}

static inline void list_insert_after(struct list_link *at, struct list_link *l)
{
	l->prev = at;
	l->next = at->next;
	at->next->prev = l;
	at->next = l;
}

static inline void list_push_front(struct list_link *head, struct list_link *l)
{
	list_insert_after(head, l);
}

static inline void list_push_back(struct list_link *head, struct list_link *l)
{
	list_insert_after(head->prev, l);
}

static inline void list_remove(struct list_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->next = l->prev = NULL;
}

/* The first link, or NULL. */
static inline struct list_link *list_front(const struct list_link *head)
{
	return list_is_empty(head) ? NULL : head->next;
}

static inline struct list_link *list_back(const struct list_link *head)
{
	return list_is_empty(head) ? NULL : head->prev;
}

static inline struct list_link *list_pop_front(struct list_link *head)
{
	struct list_link *l = list_front(head);

	if (l != NULL)
		list_remove(l);
	return l;
}

/* The link after l, or NULL at the end. */
static inline struct list_link *list_next(const struct list_link *head, const struct list_link *l)
{
	return l->next == head ? NULL : l->next;
}

/* All of src moves behind what dst has. */
static inline void list_splice_back(struct list_link *dst, struct list_link *src)
{
	if (list_is_empty(src))
		return;
	src->next->prev = dst->prev;
	src->prev->next = dst;
	dst->prev->next = src->next;
	dst->prev = src->prev;
	list_init(src);
}

#define list_entry(link, type, member) hd_container_of(link, type, member)

#endif
