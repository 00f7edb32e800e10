"""The texts that the offline generator fills in: as vacancies put them, long and short.

`{v}` is a verb phrase, `{ing}` its -ing form, `{n}` a noun phrase, `{context}` where or how, and
`{years}` a number of years. A text without an end mark gets one, or stays a bullet point.
"""

from __future__ import annotations

__all__ = [
    "CONTEXTS",
    "ING",
    "ING_LISTS",
    "MIXED",
    "NOUN",
    "NOUN_INSTANCES",
    "NOUN_LISTS",
    "ROLES",
    "TASKS",
    "VERB",
    "VERB_LISTS",
    "YEARS",
]

VERB = (
    "You will {v}{context}",
    "In this position you will {v}",
    "You know how to {v}",
    "Ability to {v}{context}",
    "Proven ability to {v}{context}",
    "Demonstrated ability to {v}",
    "The successful candidate will {v}{context}",
    "We are looking for someone who can {v}{context}",
    "You are able to {v}{context}",
    "Must be able to {v}",
    "Your job is to {v}",
    "Together with your colleagues you {v}",
    "You can {v} without close supervision",
    "As part of our team you {v}",
    "The role requires you to {v}",
    "{v}{context}",
    "On a typical day you {v}",
    "You are expected to {v}{context}",
)
"""With a verb phrase."""

ING = (
    "Experience in {ing}",
    "{years} years of experience in {ing}",
    "At least {years} years' experience {ing}",
    "Responsible for {ing}{context}",
    "Your responsibilities include {ing}{context}",
    "Duties: {ing}",
    "Confident in {ing}",
    "You have a track record of {ing}",
    "You will be in charge of {ing}",
    "Main tasks include {ing}{context}",
    "Previous experience {ing} is an advantage",
    "Solid skills in {ing}",
    "{ing} will be part of your daily work",
    "Practical experience in {ing}",
)
"""With the -ing form of a verb phrase."""

NOUN = (
    "Knowledge of {n} is required",
    "Good understanding of {n}",
    "Knowledge of or experience with {n}",
    "You have a solid background in {n}",
    "Familiarity with {n} is a plus",
    "We expect sound knowledge of {n}",
    "Applicants should be well versed in {n}",
    "{years} years in a role that requires knowledge of {n}",
    "Ideally you have some knowledge of {n}",
    "You keep your knowledge of {n} up to date",
    "Strong interest in {n} and willingness to learn more",
    "Training in {n} is an advantage",
    "You apply your knowledge of {n}{context}",
    "Working knowledge of {n}",
    "Expertise in {n} is essential for this position",
    "Basic understanding of {n}, which we will help you to deepen",
    "Your colleagues turn to you with questions about {n}",
)
"""With a noun phrase."""

NOUN_INSTANCES = (
    "Knowledge of {n}, for example {instances}",
    "You are familiar with {n} ({instances})",
    "Good understanding of {n}, including {instances}",
)
"""With a noun phrase and a list of its instances."""

VERB_LISTS = (
    "You will {list}{context}",
    "Your tasks: {list}",
    "Ability to {list}",
    "The successful candidate is able to {list}{context}",
    "In this role you {list}",
    "We count on you to {list}",
    "{list}{context}",
)
"""With several verb phrases, joined."""

ING_LISTS = (
    "Experience in {list}",
    "Duties include {list}",
    "You will be responsible for {list}{context}",
    "The work consists of {list}",
    "{years} years of experience in {list}",
)
"""With several -ing forms, joined."""

NOUN_LISTS = (
    "Knowledge of {list}",
    "You are familiar with {list}",
    "Knowledge of or experience with {list}",
    "A background in {list} is desirable",
    "Requirements: {list}",
    "Good understanding of {list} is expected",
)
"""With several noun phrases, joined."""

MIXED = (
    "You {v} and have a good knowledge of {n}",
    "Ability to {v}; knowledge of {n} is an advantage",
    "To {v} you need a sound understanding of {n}",
    "You will {v}, for which you use your knowledge of {n}",
    "Requirements: knowledge of {n}, ability to {v}",
)
"""With a verb phrase and a noun phrase."""

TASKS = (
    "You will {v} and {task}",
    "In this role you {task} and {v}",
    "Your tasks: {task}; {v}",
    "You {task}, and you also {v}",
)
"""With a verb phrase and the task of a neighbouring activity."""

CONTEXTS = (
    "in a small team",
    "with little supervision",
    "to a high standard",
    "in an international environment",
    "in line with our quality standards",
    "in close cooperation with other departments",
    "in a fast-paced environment",
    "alongside experienced colleagues",
    "within agreed deadlines",
    "both independently and in a team",
)
"""Where or how, of any work."""

ROLES = ("as {job}", "in your role as {job}", "in a position as {job}")
"""The same of a job; `{job}` has its article."""

YEARS = ("2", "3", "5", "two", "three", "four")
