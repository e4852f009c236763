package org.skinedge.demo

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.os.Build
import android.provider.MediaStore

/** Opens the system's photo picker, or else its file picker; false if the device has neither. */
fun Activity.pickPhoto(requestCode: Int): Boolean {
    val pickers = listOfNotNull(
        if (Build.VERSION.SDK_INT >= 33) Intent(MediaStore.ACTION_PICK_IMAGES) else null,
        Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE),
        Intent(Intent.ACTION_GET_CONTENT).addCategory(Intent.CATEGORY_OPENABLE),
    )
    return pickers.any { picker ->
        try {
            startActivityForResult(picker.setType("image/*"), requestCode)
            true
        } catch (_: ActivityNotFoundException) {
            false
        }
    }
}
