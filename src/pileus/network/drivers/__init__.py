"""What makes the wanted networks real: interface.py says what is asked for, ovn/ and fake.py do it."""
