"""What runs in the child process of `bot.media.apart`. It imports nothing of Parley."""
