package org.skinedge.core

/** A camera frame or a photo that cannot be read; the message is one line, fit to be shown. */
class FrameException(message: String) : Exception(message)
