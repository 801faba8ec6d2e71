"""What the bot says about itself on Discord. The English sentence is the key of its translations."""

__all__ = [
    "CHECK_LACKING",
    "CHECK_OUTSIDE",
    "CHECK_PRIVATE",
    "CHECK_REMEDY",
    "CHECK_WELL",
    "FORGET_SURE",
    "FORGOTTEN",
    "HELP",
    "MODERATORS_ONLY",
    "MY_DATA",
    "NOT_IN_PRIVATE",
    "PRIVACY",
    "SERVER_ONLY",
    "TROUBLE",
    "YOUR_DATA",
]

MODERATORS_ONLY = (
    "Settings are for moderators: whoever may manage this channel or the server, or has a role that they have named."
)
SERVER_ONLY = "Only who may manage the server can change what goes for all of it. You can change this channel."
NOT_IN_PRIVATE = "There is nothing to set here. Settings belong to servers and their channels."
TROUBLE = "I could not take this in: there is a problem on my side. Please try again in a few minutes."

CHECK_WELL = "I am allowed everything I need in {channel}."
CHECK_LACKING = "In {channel} I am not allowed:"
CHECK_REMEDY = "Whoever manages the server can allow it: in the settings of this channel under “Permissions”."
CHECK_PRIVATE = "Here I need no permissions. Call this in a channel of a server."
CHECK_OUTSIDE = (
    "I am not a member of this server. Commands work all the same; mentions and replies do not reach me here."
)

HELP = (
    "Mention me, reply to me, or write to me in private, and just talk. A picture or a voice message needs no words. "
    "The menu of a message (“Apps”) has what I can do with it. Or call one of these:"
)
PRIVACY = (
    "I read what is said to me: mentions, replies, private messages, commands, and messages that somebody chooses from "
    "their menu. I keep it, with my answers, so that I know what was said before, and pass it to the model that "
    "answers. If you delete a message, I forget it. With `/parley my-data` you see or delete what I keep of you. What "
    "only you can see is not kept as part of the conversation."
)
MY_DATA = "I keep what you have said to me and my answers to it. You can have it all, or have it deleted."
FORGET_SURE = "Everything that you have said to me, and what I answered, will be deleted. This cannot be undone."
FORGOTTEN = "It is deleted."
YOUR_DATA = "This is what I keep of you."
