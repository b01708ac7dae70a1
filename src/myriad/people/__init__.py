"""People, groups and grants; what they become in each engine."""

from myriad.people.people import Grant, Group, NewPerson, People, Person

__all__ = ["Grant", "Group", "NewPerson", "People", "Person"]
