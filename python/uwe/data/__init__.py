"""Files of publishers and of users: read as they ship, written in the one layout `uwe` reads."""
