"""Files as such: written whole, hashed. It knows no domain."""
