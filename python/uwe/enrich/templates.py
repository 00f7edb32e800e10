"""The texts that the offline generator fills in: as vacancies put them, long and short.

`{v}` is a verb phrase, `{ing}` its -ing form, `{n}` a noun phrase, `{context}` where or how, and
`{years}` a number of years. A text without an end mark gets one, or stays a bullet point.
"""

from __future__ import annotations

__all__ = [
    "CONTEXTS",
    "FIELDS",
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
    "In this position you will {v}{context}",
    "You know how to {v}{context}",
    "Ability to {v}{context}",
    "Proven ability to {v}{context}",
    "Demonstrated ability to {v}",
    "The successful candidate will {v}{context}",
    "We are looking for someone who can {v}{context}",
    "You are able to {v}{context}",
    "Must be able to {v}",
    "Your job is to {v}{context}",
    "Together with your colleagues you {v}{context}",
    "Willingness to {v}{context}",
    "You can {v} without close supervision",
    "Help us {v}{context}",
    "As part of our team you {v}{context}",
    "The role requires you to {v}{context}",
    "{v}{context}",
    "On a typical day you {v}{context}",
    "You have been trained to {v}",
)
"""With a verb phrase."""

ING = (
    "Experience in {ing}{context}",
    "{years} years of experience in {ing}",
    "At least {years} years' experience {ing}{context}",
    "Responsible for {ing}{context}",
    "Your responsibilities include {ing}{context}",
    "Duties: {ing}",
    "Confident in {ing}{context}",
    "You have a track record of {ing}{context}",
    "You will be in charge of {ing}{context}",
    "Main tasks include {ing}{context}",
    "We need a hand with {ing}{context}",
    "Previous experience {ing} is an advantage",
    "You enjoy {ing}{context}",
    "Solid skills in {ing}",
    "{ing} will be part of your daily work",
    "Practical experience of {ing}{context}",
)
"""With the -ing form of a verb phrase."""

NOUN = (
    "Knowledge of {n} is required",
    "Good understanding of {n}",
    "Experience with {n}{context}",
    "You have a solid background in {n}",
    "Familiarity with {n} is a plus",
    "You bring hands-on experience with {n}",
    "We expect sound knowledge of {n}",
    "Applicants should be well versed in {n}",
    "You are comfortable with {n}{context}",
    "{years} years of professional experience with {n}",
    "Ideally you have some knowledge of {n}",
    "You keep your knowledge of {n} up to date",
    "Strong interest in {n} and willingness to learn more",
    "Training in {n} or equivalent practical experience",
    "You apply your knowledge of {n}{context}",
    "Working knowledge of {n}",
    "You can answer customers' questions about {n}",
    "Expertise in {n} is essential for this position",
    "Basic understanding of {n}, which we will help you to deepen",
    "Your colleagues turn to you with questions about {n}",
)
"""With a noun phrase."""

NOUN_INSTANCES = (
    "Knowledge of {n}, for example {instances}",
    "You are familiar with {n} ({instances})",
    "Experience with {n}: {instances}",
    "{n}: {instances}",
)
"""With a noun phrase and a list of its instances."""

VERB_LISTS = (
    "You will {list}{context}",
    "Your tasks: {list}",
    "Ability to {list}",
    "The successful candidate is able to {list}{context}",
    "In this role you {list}{context}",
    "We count on you to {list}",
    "{list}{context}",
)
"""With several verb phrases, joined."""

ING_LISTS = (
    "Experience in {list}",
    "Duties include {list}",
    "You will be responsible for {list}{context}",
    "The work consists of {list}",
    "{years} years of {list}",
)
"""With several -ing forms, joined."""

NOUN_LISTS = (
    "Knowledge of {list}",
    "You are familiar with {list}",
    "Experience with {list}{context}",
    "A background in {list} is desirable",
    "Requirements: {list}",
    "Good understanding of {list} is expected",
)
"""With several noun phrases, joined."""

MIXED = (
    "You {v} and have a good knowledge of {n}",
    "Ability to {v}; knowledge of {n} is an advantage",
    "To {v}{context} you need a sound understanding of {n}",
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
    "on a daily basis",
    "with little supervision",
    "to a high standard",
    "under time pressure",
    "in an international environment",
    "in line with our quality standards",
    "in close cooperation with other departments",
    "at our new site",
    "in a fast-paced environment",
    "for a wide range of customers",
    "alongside experienced colleagues",
    "from day one",
    "whenever the work requires it",
    "within agreed deadlines",
    "as part of a shift team",
    "for our customers across Europe",
    "in accordance with safety regulations",
    "both independently and in a team",
    "for internal and external clients",
)
"""Where or how, of any work."""

ROLES = ("as {job}", "in your role as {job}", "in a {bare} position")
"""The same of a job; `{job}` has its article."""

FIELDS = ("in the field of {field}", "in the area of {field}")
"""The same of something broader."""

YEARS = ("2", "3", "5", "two", "three", "four")
