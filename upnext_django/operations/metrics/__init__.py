"""What monitoring asks for, read when it asks: nothing here is kept or counted between two scrapes."""
