"""The nouns and contracts that every other room speaks in; imports no sibling."""
