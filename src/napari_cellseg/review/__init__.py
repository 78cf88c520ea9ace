"""What a person has looked at, what is worth looking at next, and a journal that loses none of it."""
