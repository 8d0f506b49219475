"""What happens to jobs, told as it happens: one reader in a process for all who follow."""
